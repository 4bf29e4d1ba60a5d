output "name" {
  description = "Name of the cluster."
  value       = google_container_cluster.this.name
}

output "location" {
  description = "Where it is, as gcloud wants it."
  value       = google_container_cluster.this.location
}

output "nodes_account" {
  description = "E-mail of the account that nodes run as."
  value       = google_service_account.nodes.email
}

output "workload_pool" {
  description = "The pool of identities that the cluster's service accounts are in; there is none before a cluster."
  value       = google_container_cluster.this.workload_identity_config[0].workload_pool
}
