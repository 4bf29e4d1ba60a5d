variable "project" {
  description = "Google Cloud project of all resources."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project must be a project id: 6 to 30 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "name" {
  description = "Name of the resource, and prefix of its parts' names."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.name))
    error_message = "name must have 3 to 24 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "region" {
  description = "Region, such as us-central1."
  type        = string
  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region must look like us-central1, without a zone."
  }
}

variable "cluster" {
  description = "Name of the cluster."
  type        = string
}

variable "service_account" {
  description = "E-mail of the nodes' service account; Google's default account is refused, because it may edit the project."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9-]+@.+[.]iam[.]gserviceaccount[.]com$", var.service_account))
    error_message = "service_account must be an account of yours, such as nodes@example-project.iam.gserviceaccount.com."
  }
}

variable "nodes" {
  description = "The machines: type, number (in all zones together), disk, spot or not, and zones (by default all; with an accelerator those that have it)."
  type = object({
    machine_type = string
    min          = optional(number, 0)
    max          = optional(number, 3)
    disk_gb      = optional(number, 50)
    spot         = optional(bool, false)
    zones        = optional(set(string), [])
  })
  validation {
    condition     = can(regex("^[a-z][a-z0-9]*-[a-z0-9-]+$", var.nodes.machine_type))
    error_message = "nodes.machine_type must look like e2-standard-4."
  }
  validation {
    condition     = var.nodes.min >= 0 && var.nodes.min <= var.nodes.max && var.nodes.max >= 1
    error_message = "nodes.min must be 0 or more and at most nodes.max, which must be 1 or more."
  }
  validation {
    condition     = var.nodes.disk_gb >= 20
    error_message = "nodes.disk_gb must be 20 or more."
  }
  validation {
    condition     = alltrue([for zone in var.nodes.zones : can(regex("^${var.region}-[a-z]$", zone))])
    error_message = "nodes.zones must be zones of the region, such as us-central1-a of us-central1."
  }
}

variable "gpu" {
  description = "GPUs of each node, their driver, and the number of pods that share a GPU, in turns (TIME_SHARING) or at once (MPS)."
  type = object({
    type      = string
    count     = optional(number, 1)
    driver    = optional(string, "DEFAULT")
    shared_by = optional(number, 1)
    sharing   = optional(string, "TIME_SHARING")
  })
  default = null
  validation {
    condition     = var.gpu == null || try(contains(["nvidia-l4", "nvidia-tesla-a100", "nvidia-a100-80gb", "nvidia-h100-80gb"], var.gpu.type), false)
    error_message = "gpu.type must be nvidia-l4, nvidia-tesla-a100, nvidia-a100-80gb or nvidia-h100-80gb."
  }
  validation {
    condition     = var.gpu == null || try(contains(["DEFAULT", "LATEST"], var.gpu.driver), false)
    error_message = "gpu.driver must be DEFAULT or LATEST."
  }
  validation {
    condition     = var.gpu == null || try(contains([1, 2, 4, 8, 16], var.gpu.count), false)
    error_message = "gpu.count must be 1, 2, 4, 8 or 16."
  }
  validation {
    condition     = var.gpu == null || try(var.gpu.shared_by >= 1 && var.gpu.shared_by <= 48, false)
    error_message = "gpu.shared_by must be 1 to 48."
  }
  validation {
    condition     = var.gpu == null || try(contains(["TIME_SHARING", "MPS"], var.gpu.sharing), false)
    error_message = "gpu.sharing must be TIME_SHARING or MPS."
  }
}

variable "tpu" {
  description = "Topology of the TPU slice, such as 2x4."
  type        = object({ topology = string })
  default     = null
  validation {
    condition     = var.tpu == null || can(regex("^[0-9]+x[0-9]+(x[0-9]+)?$", var.tpu.topology))
    error_message = "tpu.topology must look like 2x4 or 2x2x2."
  }
}
