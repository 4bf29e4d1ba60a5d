output "name" {
  description = "Name by which pods select the pool."
  value       = google_container_node_pool.this.name
}
