# Nodes of one kind; pods select them by the label canario/pool.
locals {
  # The machine family of each GPU type; a machine's price includes its GPUs.
  gpu_machines = {
    nvidia-l4         = "g2-standard-"
    nvidia-tesla-a100 = "a2-highgpu-"
    nvidia-a100-80gb  = "a2-ultragpu-"
    nvidia-h100-80gb  = "a3-highgpu-"
  }
  # The name of a machine with TPUs ends in its number of chips, as in ct5lp-hightpu-4t. A topology with more chips than
  # one machine is a slice of several machines, which come and go together, next to each other.
  chips     = try(tonumber(regex("^ct[a-z0-9]+-hightpu-([0-9]+)t$", var.nodes.machine_type)[0]), 0)
  sides     = try([for side in split("x", var.tpu.topology) : tonumber(side)], [0, 0])
  tpu_nodes = local.chips == 0 ? 0 : local.sides[0] * local.sides[1] * try(local.sides[2], 1) / local.chips
  # Steps that train find the accelerator by these labels, on any cloud; see components/jobs/node_pools.py.
  accelerator_labels = var.gpu != null ? { "canario/accelerator" = var.gpu.type } : (
    var.tpu == null ? {} : {
      "canario/accelerator"  = split("-", var.nodes.machine_type)[0]
      "canario/tpu-topology" = var.tpu.topology
    }
  )
}

resource "google_container_node_pool" "this" {
  # checkov:skip=CKV_GCP_68:secure boot is on except for GPUs, whose drivers are not signed
  project        = var.project
  name           = var.name
  cluster        = var.cluster
  location       = var.region
  node_locations = length(var.nodes.zones) == 0 ? null : var.nodes.zones

  autoscaling {
    total_min_node_count = var.nodes.min
    total_max_node_count = var.nodes.max
    location_policy      = var.nodes.spot ? "ANY" : "BALANCED"
  }
  management {
    auto_repair  = true
    auto_upgrade = true
  }
  network_config {
    enable_private_nodes = true
  }
  dynamic "placement_policy" {
    for_each = local.tpu_nodes > 1 ? [var.tpu.topology] : []
    content {
      type         = "COMPACT"
      tpu_topology = placement_policy.value
    }
  }

  node_config {
    machine_type    = var.nodes.machine_type
    image_type      = "COS_CONTAINERD"
    disk_size_gb    = var.nodes.disk_gb
    disk_type       = "pd-balanced"
    spot            = var.nodes.spot
    service_account = var.service_account
    oauth_scopes    = ["https://www.googleapis.com/auth/cloud-platform"]
    labels          = merge({ "canario/pool" = var.name }, local.accelerator_labels)

    dynamic "guest_accelerator" {
      for_each = var.gpu[*]
      content {
        type  = guest_accelerator.value.type
        count = guest_accelerator.value.count
        gpu_driver_installation_config {
          gpu_driver_version = guest_accelerator.value.driver
        }
        dynamic "gpu_sharing_config" {
          for_each = guest_accelerator.value.shared_by > 1 ? [guest_accelerator.value] : []
          content {
            gpu_sharing_strategy       = gpu_sharing_config.value.sharing
            max_shared_clients_per_gpu = gpu_sharing_config.value.shared_by
          }
        }
      }
    }
    # Only pods that request the accelerator are scheduled on its nodes.
    dynamic "taint" {
      for_each = concat(var.gpu == null ? [] : ["nvidia.com/gpu"], var.tpu == null ? [] : ["google.com/tpu"])
      content {
        key    = taint.value
        value  = "present"
        effect = "NO_SCHEDULE"
      }
    }
    kubelet_config {
      insecure_kubelet_readonly_port_enabled = "FALSE"
    }
    workload_metadata_config {
      mode = "GKE_METADATA"
    }
    shielded_instance_config {
      # The installed GPU drivers are not signed.
      enable_secure_boot          = var.gpu == null
      enable_integrity_monitoring = true
    }
  }

  lifecycle {
    # A machine is made for GPUs or for TPUs, so a pool cannot have both.
    precondition {
      condition     = var.gpu == null || startswith(var.nodes.machine_type, try(local.gpu_machines[var.gpu.type], "-"))
      error_message = "gpu.type goes with another machine than nodes.machine_type (${var.nodes.machine_type})."
    }
    # A region's every zone has plain machines, and only some have a kind of accelerator.
    precondition {
      condition     = var.gpu == null && var.tpu == null || length(var.nodes.zones) >= 1
      error_message = "A pool with GPUs or TPUs names its zones (nodes.zones), because only some have ${var.nodes.machine_type}."
    }
    precondition {
      condition     = (var.tpu != null) == (local.chips > 0)
      error_message = "A machine with TPUs, such as ct5lp-hightpu-4t, wants tpu.topology, and the other way round."
    }
    precondition {
      condition     = var.tpu == null || local.tpu_nodes >= 1 && floor(local.tpu_nodes) == local.tpu_nodes
      error_message = "The chips of tpu.topology must be those of one machine or of several (${var.nodes.machine_type})."
    }
    precondition {
      condition = local.tpu_nodes <= 1 || (
        contains([0, local.tpu_nodes], var.nodes.min) && var.nodes.max == local.tpu_nodes && length(var.nodes.zones) == 1
      )
      error_message = "A slice of several machines is whole, in one zone: nodes.max its machines, nodes.min as many or 0."
    }
  }
}
