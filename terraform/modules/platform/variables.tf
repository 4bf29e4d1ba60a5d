variable "environment" {
  description = "Which environment of k8s/envs this is."
  type        = string
  validation {
    condition     = contains(["staging", "production"], var.environment)
    error_message = "environment must be staging or production, as in k8s/envs."
  }
}

# The format of these two is checked by the modules that use them.
variable "project" {
  description = "Google Cloud project."
  type        = string
}

variable "region" {
  description = "Region of everything."
  type        = string
}

variable "control_plane_callers" {
  description = "Ranges that may call the control plane, by name."
  type        = map(string)
  default     = {}
}

variable "pools" {
  description = "Node pools by name, as the module node-pool wants them."
  type = map(object({
    nodes = object({
      machine_type = string
      min          = number
      max          = number
      disk_gb      = number
      spot         = bool
    })
    gpu = optional(object({
      type      = string
      count     = optional(number, 1)
      driver    = optional(string, "DEFAULT")
      shared_by = optional(number, 1)
    }))
    tpu = optional(object({ topology = string }))
  }))
  validation {
    condition     = contains(keys(var.pools), "cpu")
    error_message = "pools must have one named cpu: the platform's own services run there."
  }
}

variable "database" {
  description = "Size of MLflow's database, as the module database wants it."
  type = object({
    tier             = string
    disk_gb          = number
    highly_available = bool
  })
}

variable "database_password" {
  description = "Password of the database's user."
  type        = string
  sensitive   = true
}

variable "deletion_protection" {
  description = "Whether cluster and database refuse to be deleted."
  type        = bool
  default     = true
}
