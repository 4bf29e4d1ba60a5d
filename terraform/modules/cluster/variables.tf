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
  description = "Id of the network."
  type        = string
}

variable "subnetwork" {
  description = "Id of the subnetwork with the secondary ranges pods and services."
  type        = string
}

variable "control_plane" {
  description = "Access to the control plane from outside: named ranges of addresses, and the DNS name for accounts that IAM allows. By default none."
  type = object({
    callers = optional(map(string), {})
    by_name = optional(bool, false)
  })
  default = {}
  validation {
    condition     = alltrue([for range in values(var.control_plane.callers) : can(cidrhost(range, 0)) && !endswith(range, "/0")])
    error_message = "each of control_plane.callers must be a CIDR range, and not everybody (0.0.0.0/0)."
  }
}

variable "release_channel" {
  description = "How fast the cluster gets new versions."
  type        = string
  default     = "REGULAR"
  validation {
    condition     = contains(["RAPID", "REGULAR", "STABLE", "EXTENDED"], var.release_channel)
    error_message = "release_channel must be RAPID, REGULAR, STABLE or EXTENDED."
  }
}

variable "maintenance" {
  description = "Time for upgrades of the control plane and the nodes: days, start (UTC) and length in hours."
  type = object({
    days  = optional(set(string), ["SA", "SU"])
    start = optional(string, "00:00")
    hours = optional(number, 8)
  })
  default = {}
  validation {
    condition     = alltrue([for day in var.maintenance.days : contains(["MO", "TU", "WE", "TH", "FR", "SA", "SU"], day)])
    error_message = "maintenance.days must be some of MO, TU, WE, TH, FR, SA and SU."
  }
  validation {
    condition     = can(regex("^([01][0-9]|2[0-3]):[0-5][0-9]$", var.maintenance.start))
    error_message = "maintenance.start must look like 02:00."
  }
  # GKE wants 48 hours in each 32 days, four whole weeks at least.
  validation {
    condition     = var.maintenance.hours >= 4 && var.maintenance.hours <= 24 && length(var.maintenance.days) * var.maintenance.hours >= 12
    error_message = "maintenance.hours must be 4 to 24, and all days together 12 hours a week or more."
  }
}

variable "labels" {
  description = "Labels, such as the environment; they appear on the bill."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "labels must be lower-case letters, digits, _ and -, at most 63 of them; a key begins with a letter."
  }
}

variable "deletion_protection" {
  description = "Whether terraform refuses to delete the cluster."
  type        = bool
  default     = true
}
