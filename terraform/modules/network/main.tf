# One private network: nodes have no public addresses and reach the internet through NAT.
resource "google_compute_network" "this" {
  # checkov:skip=CKV2_GCP_18:no rule of ours opens it: what is not allowed is refused, and GKE opens what its nodes need
  project                 = var.project
  name                    = var.name
  auto_create_subnetworks = false

  # Resources of a deleted cluster's controllers go a little later; until then the network cannot be deleted.
  timeouts {
    delete = "20m"
  }
}

resource "google_compute_subnetwork" "nodes" {
  project                  = var.project
  name                     = "${var.name}-nodes"
  network                  = google_compute_network.this.id
  region                   = var.region
  ip_cidr_range            = var.ranges.nodes
  private_ip_google_access = true

  secondary_ip_range {
    range_name    = "pods"
    ip_cidr_range = var.ranges.pods
  }
  secondary_ip_range {
    range_name    = "services"
    ip_cidr_range = var.ranges.services
  }
  # A tenth of all connections is enough to see the traffic's sources and targets.
  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.1
    metadata             = "INCLUDE_ALL_METADATA"
  }
  timeouts {
    delete = "20m"
  }
}

resource "google_compute_router" "this" {
  project = var.project
  name    = var.name
  network = google_compute_network.this.id
  region  = var.region
}

resource "google_compute_router_nat" "this" {
  project                            = var.project
  name                               = var.name
  router                             = google_compute_router.this.name
  region                             = var.region
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}

# The range of the managed database's private address.
resource "google_compute_global_address" "managed" {
  project       = var.project
  name          = "${var.name}-managed"
  network       = google_compute_network.this.id
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  prefix_length = 20
}

# A deleted database uses the connection for days, in which Google refuses to delete it; it goes with the network.
resource "google_service_networking_connection" "managed" {
  network                 = google_compute_network.this.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.managed.name]
  deletion_policy         = "ABANDON"
}
