output "network" {
  description = "Id of the network; available once managed services can have private addresses in the network."
  value       = google_compute_network.this.id
  depends_on  = [google_service_networking_connection.managed]
}

output "subnetwork" {
  description = "Id of the nodes' subnetwork; its users are made after the nodes' internet access, and destroyed before it."
  value       = google_compute_subnetwork.nodes.id
  depends_on  = [google_compute_router_nat.this]
}
