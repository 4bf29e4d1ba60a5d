locals {
  accelerated = var.gpu != null || var.tpu != null
}

# Nodes of one kind; pods ask for them by the label node.kubernetes.io/pool.
resource "google_container_node_pool" "this" {
  project  = var.project
  name     = var.name
  cluster  = var.cluster
  location = var.region

  autoscaling {
    total_min_node_count = var.nodes.min
    total_max_node_count = var.nodes.max
    location_policy      = var.nodes.spot ? "ANY" : "BALANCED"
  }
  management {
    auto_repair  = true
    auto_upgrade = true
  }
  dynamic "placement_policy" {
    for_each = var.tpu[*]
    content {
      type         = "COMPACT"
      tpu_topology = placement_policy.value.topology
    }
  }

  node_config {
    machine_type    = var.nodes.machine_type
    disk_size_gb    = var.nodes.disk_gb
    disk_type       = "pd-balanced"
    spot            = var.nodes.spot
    service_account = var.service_account
    oauth_scopes    = ["https://www.googleapis.com/auth/cloud-platform"]
    labels          = { "node.kubernetes.io/pool" = var.name }

    dynamic "guest_accelerator" {
      for_each = var.gpu[*]
      content {
        type  = guest_accelerator.value.type
        count = guest_accelerator.value.count
        gpu_driver_installation_config {
          gpu_driver_version = guest_accelerator.value.driver
        }
        dynamic "gpu_sharing_config" {
          for_each = guest_accelerator.value.shared_by > 1 ? [guest_accelerator.value.shared_by] : []
          content {
            gpu_sharing_strategy       = "TIME_SHARING"
            max_shared_clients_per_gpu = gpu_sharing_config.value
          }
        }
      }
    }
    # Only pods that ask for the accelerator are put on its nodes.
    dynamic "taint" {
      for_each = local.accelerated ? [var.gpu != null ? "nvidia.com/gpu" : "google.com/tpu"] : []
      content {
        key    = taint.value
        value  = "present"
        effect = "NO_SCHEDULE"
      }
    }
    workload_metadata_config {
      mode = "GKE_METADATA"
    }
    shielded_instance_config {
      enable_secure_boot          = var.gpu == null
      enable_integrity_monitoring = true
    }
  }

  lifecycle {
    precondition {
      condition     = var.gpu == null || var.tpu == null
      error_message = "A pool has GPUs or TPUs, not both."
    }
  }
}
