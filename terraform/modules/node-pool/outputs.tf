output "name" {
  description = "What pods name as their pool."
  value       = google_container_node_pool.this.name
}
