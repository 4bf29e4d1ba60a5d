# A private cluster that follows a release channel, and the account of its nodes, which come from node-pool.
locals {
  # Any day will do, because the window repeats; a past day makes it apply at once.
  window = "2026-01-01T${var.maintenance.start}:00Z"
}

resource "google_service_account" "nodes" {
  project      = var.project
  account_id   = "${var.name}-nodes"
  display_name = "Nodes of ${var.name}"
}

# Roles for the agents of a node: write logs and metrics, pull images.
resource "google_project_iam_member" "nodes" {
  for_each = toset(["roles/container.defaultNodeServiceAccount", "roles/artifactregistry.reader"])
  project  = var.project
  role     = each.key
  member   = google_service_account.nodes.member
}

resource "google_container_cluster" "this" {
  # checkov:skip=CKV_GCP_12:the data plane (ADVANCED_DATAPATH) enforces NetworkPolicy without it
  # checkov:skip=CKV_GCP_65:only an organisation can name its groups
  # checkov:skip=CKV_GCP_66:the cluster's own admission policy admits only our registry's images, by digest
  # checkov:skip=CKV_GCP_69:the default pool is removed at once; node-pool sets it for each of our pools
  project             = var.project
  name                = var.name
  location            = var.region
  network             = var.network
  subnetwork          = var.subnetwork
  resource_labels     = var.labels
  deletion_protection = var.deletion_protection

  networking_mode             = "VPC_NATIVE"
  datapath_provider           = "ADVANCED_DATAPATH"
  enable_intranode_visibility = true
  enable_shielded_nodes       = true

  # The pool with which every cluster begins; these settings apply for the minutes until it is removed. By itself each
  # of its nodes, one a zone, has an SSD of 100 GB: more than the 250 GB that a new project may have in a region.
  remove_default_node_pool = true
  initial_node_count       = 1
  node_config {
    service_account = google_service_account.nodes.email
    disk_type       = "pd-standard"
    disk_size_gb    = 20
    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }
  }

  ip_allocation_policy {
    cluster_secondary_range_name  = "pods"
    services_secondary_range_name = "services"
  }
  private_cluster_config {
    enable_private_nodes    = true
    enable_private_endpoint = length(var.control_plane.callers) == 0
  }
  # Without an entry the control plane's address cannot be reached from outside the network.
  master_authorized_networks_config {
    gcp_public_cidrs_access_enabled = false
    dynamic "cidr_blocks" {
      for_each = var.control_plane.callers
      content {
        display_name = cidr_blocks.key
        cidr_block   = cidr_blocks.value
      }
    }
  }
  control_plane_endpoints_config {
    dns_endpoint_config {
      allow_external_traffic = var.control_plane.by_name
    }
  }
  master_auth {
    client_certificate_config {
      issue_client_certificate = false
    }
  }
  release_channel {
    channel = var.release_channel
  }
  maintenance_policy {
    recurring_window {
      start_time = local.window
      end_time   = timeadd(local.window, "${var.maintenance.hours}h")
      recurrence = "FREQ=WEEKLY;BYDAY=${join(",", var.maintenance.days)}"
    }
  }
  workload_identity_config {
    workload_pool = "${var.project}.svc.id.goog"
  }
  # `make platform` brings the Gateway API's definitions, which are newer than GKE's; GKE would take them back.
  gateway_api_config {
    channel = "CHANNEL_DISABLED"
  }
  logging_config {
    enable_components = ["SYSTEM_COMPONENTS", "WORKLOADS"]
  }
  # The platform installs its own Prometheus, which the judge reads.
  monitoring_config {
    enable_components = ["SYSTEM_COMPONENTS"]
    managed_prometheus {
      enabled = false
    }
  }
  cost_management_config {
    enabled = true
  }
  security_posture_config {
    mode               = "BASIC"
    vulnerability_mode = "VULNERABILITY_DISABLED"
  }

  lifecycle {
    # Belongs to the removed pool.
    ignore_changes = [node_config]
  }
  depends_on = [google_project_iam_member.nodes]
}
