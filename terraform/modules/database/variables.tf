variable "project" {
  description = "Google Cloud project that everything is made in."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project must be a project id: 6 to 30 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "name" {
  description = "Name of what is made, and prefix of its parts."
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

variable "network" {
  description = "Id of the network in which the instance has its address."
  type        = string
}

variable "password" {
  description = "Password of the user mlflow; it is in the state, which is why nobody else may read that."
  type        = string
  sensitive   = true
  validation {
    condition     = can(regex("^[A-Za-z0-9]{20,}$", var.password))
    error_message = "password must have 20 or more letters and digits, as it becomes part of an address."
  }
}

variable "instance" {
  description = "Size: the tier, the disk it begins with, a standby in another zone, and how many daily backups stay."
  type = object({
    tier             = optional(string, "db-custom-1-3840")
    disk_gb          = optional(number, 20)
    highly_available = optional(bool, false)
    backups          = optional(number, 14)
  })
  default = {}
  validation {
    condition     = can(regex("^db-custom-[0-9]+-[0-9]+$", var.instance.tier))
    error_message = "instance.tier must look like db-custom-1-3840: virtual CPUs, then memory in MiB."
  }
  validation {
    condition     = var.instance.disk_gb >= 10 && var.instance.backups >= 7
    error_message = "instance.disk_gb must be 10 or more, instance.backups 7 or more."
  }
}

variable "deletion_protection" {
  description = "Whether the instance refuses to be deleted."
  type        = bool
  default     = true
}
