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

variable "network" {
  description = "Id of the network that holds the instance's address."
  type        = string
}

variable "password" {
  description = "Password of the user mlflow; neither plan nor state holds it."
  type        = string
  sensitive   = true
  ephemeral   = true
  validation {
    condition     = can(regex("^[A-Za-z0-9]{20,}$", var.password))
    error_message = "password must have 20 or more letters and digits, as it becomes part of an address."
  }
}

variable "password_version" {
  description = "Version of the password; another one makes Terraform write the password again."
  type        = number
  default     = 1
  validation {
    condition     = var.password_version >= 1
    error_message = "password_version must be 1 or more, as Secret Manager counts."
  }
}

variable "instance" {
  description = "Size: the tier, the initial disk, a standby in another zone, and the number of daily backups to keep."
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
  # What Cloud SQL has machines for; what the check above refused is not looked at again.
  validation {
    condition = try([for cpus, mib in { (split("-", var.instance.tier)[2]) = split("-", var.instance.tier)[3] } :
      (cpus == "1" || cpus % 2 == 0) && mib % 256 == 0 && mib >= 3840 && mib >= cpus * 922 && mib <= cpus * 6656
    ][0], true)
    error_message = "instance.tier must have 1 or an even number of CPUs, and 922 to 6,656 MiB for each: 3,840 or more, in steps of 256."
  }
  validation {
    condition     = var.instance.disk_gb >= 10
    error_message = "instance.disk_gb must be 10 or more."
  }
  validation {
    condition     = var.instance.backups >= 7
    error_message = "instance.backups must be 7 or more: recovery to a moment needs the backup before it."
  }
}

variable "deletion_protection" {
  description = "Whether the instance refuses to be deleted, by terraform and by anything else."
  type        = bool
  default     = true
}
