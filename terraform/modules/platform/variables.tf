variable "environment" {
  description = "Name of the environment in k8s/envs."
  type        = string
  validation {
    condition     = contains(["staging", "production"], var.environment)
    error_message = "environment must be staging or production, as in k8s/envs."
  }
}

# The format of what is not checked here is checked by the modules that use it.
variable "project" {
  description = "Google Cloud project."
  type        = string
}

variable "region" {
  description = "Region of all resources."
  type        = string
}

variable "control_plane" {
  description = "Access to the control plane from outside, in the form of the module cluster."
  type = object({
    callers = optional(map(string), {})
    by_name = optional(bool, false)
  })
  default = {}
}

variable "pools" {
  description = "Node pools by name, in the form of the module node-pool."
  type = map(object({
    nodes = object({
      machine_type = string
      min          = number
      max          = number
      disk_gb      = number
      spot         = bool
      zones        = optional(set(string))
    })
    gpu = optional(object({
      type      = string
      count     = optional(number)
      driver    = optional(string)
      shared_by = optional(number)
      sharing   = optional(string)
    }))
    tpu = optional(object({ topology = string }))
  }))
  validation {
    condition     = try(var.pools["cpu"].gpu == null && var.pools["cpu"].tpu == null, false)
    error_message = "pools must have one named cpu, without accelerators: the platform's own services run there."
  }
  validation {
    condition     = try(var.pools["cpu"].nodes.min >= 1, true)
    error_message = "pools.cpu.nodes.min must be 1 or more: the judge has to be up before a canary is."
  }
  validation {
    condition     = try(!var.pools["cpu"].nodes.spot, true)
    error_message = "pools.cpu.nodes.spot must be false: judge, MLflow and Prometheus run there, and Google takes spot nodes back at any time."
  }
}

variable "database" {
  description = "Size of MLflow's database, in the form of the module database."
  type = object({
    tier             = string
    disk_gb          = number
    highly_available = bool
  })
}

variable "database_password" {
  description = "Password of the database's user; neither plan nor state holds it."
  type        = string
  sensitive   = true
  ephemeral   = true
}

variable "database_password_version" {
  description = "Version of the password; another one makes Terraform write the password again."
  type        = number
  default     = 1
}

variable "signing" {
  description = "Versions of the key that signs, the one that signs first, and who may sign with it, in the form of the module signing-key."
  type = object({
    versions = optional(list(string), ["first"])
    signers  = optional(set(string), [])
  })
  default = {}
}

variable "workflows" {
  description = "The repository on GitHub (owner/name) whose workflows get accounts, for which purposes, and the bucket of Terraform's state; null for none."
  type        = object({ repository = string, purposes = set(string), state = string })
  default     = null
}

variable "deletion_protection" {
  description = "Whether cluster, database, bucket and registry refuse to be deleted."
  type        = bool
  default     = true
}
