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
  description = "Id of the network."
  type        = string
}

variable "subnetwork" {
  description = "Id of the subnetwork with the secondary ranges pods and services."
  type        = string
}

variable "control_plane" {
  description = "The control plane's own range (a /28), and who may call it, by name."
  type = object({
    range   = optional(string, "172.16.0.0/28")
    callers = optional(map(string), {})
  })
  default = {}
  validation {
    condition     = can(cidrhost(var.control_plane.range, 0)) && endswith(var.control_plane.range, "/28")
    error_message = "control_plane.range must be a CIDR range of size /28."
  }
  validation {
    condition     = alltrue([for range in values(var.control_plane.callers) : can(cidrhost(range, 0)) && range != "0.0.0.0/0"])
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

variable "deletion_protection" {
  description = "Whether terraform refuses to delete the cluster."
  type        = bool
  default     = true
}
