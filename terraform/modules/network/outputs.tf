output "network" {
  description = "Id of the network; known once managed services can have private addresses in it."
  value       = google_compute_network.this.id
  depends_on  = [google_service_networking_connection.managed]
}

output "subnetwork" {
  description = "Id of the nodes' subnetwork; known once nodes in it reach the internet, and gone before they cannot."
  value       = google_compute_subnetwork.nodes.id
  depends_on  = [google_compute_router_nat.this]
}
