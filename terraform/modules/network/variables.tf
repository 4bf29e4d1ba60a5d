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

variable "ranges" {
  description = "Address ranges of nodes, pods and services."
  type = object({
    nodes    = optional(string, "10.0.0.0/20")
    pods     = optional(string, "10.16.0.0/14")
    services = optional(string, "10.32.0.0/20")
  })
  default = {}
  validation {
    condition     = alltrue([for range in values(var.ranges) : can(cidrhost(range, 0)) && try(cidrhost(range, 0) == split("/", range)[0], false)])
    error_message = "each of ranges must be a CIDR range that begins at its first address, such as 10.0.0.0/20."
  }
  # Two ranges overlap when both lie in the same range of the larger one's size.
  validation {
    condition = !anytrue(flatten([for i, a in values(var.ranges) : [for j, b in values(var.ranges) : try(
      cidrhost(format("%s/%s", split("/", a)[0], min(split("/", a)[1], split("/", b)[1])), 0)
      == cidrhost(format("%s/%s", split("/", b)[0], min(split("/", a)[1], split("/", b)[1])), 0),
    false) if i < j]]))
    error_message = "ranges must not overlap."
  }
}
