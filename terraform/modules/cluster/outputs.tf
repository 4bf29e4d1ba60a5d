output "name" {
  description = "Name of the cluster."
  value       = google_container_cluster.this.name
}

output "location" {
  description = "Location of the cluster, as gcloud names it."
  value       = google_container_cluster.this.location
}

output "nodes_account" {
  description = "E-mail of the nodes' service account."
  value       = google_service_account.nodes.email
}

output "workload_pool" {
  description = "The workload identity pool of the cluster's service accounts; it does not exist before the cluster."
  value       = google_container_cluster.this.workload_identity_config[0].workload_pool
}
