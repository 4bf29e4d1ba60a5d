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

variable "clean_up" {
  description = "Days after which an untagged image is deleted, and the number of newest images that always stay."
  type = object({
    untagged_days = optional(number, 30)
    keep          = optional(number, 20)
  })
  default = {}
  validation {
    condition     = var.clean_up.untagged_days >= 1 && var.clean_up.keep >= 2
    error_message = "clean_up.untagged_days must be 1 or more, clean_up.keep 2 or more: a roll-back needs the image before."
  }
}

variable "readers" {
  description = "Who reads images and signatures, as IAM names them, by a name of your own; nodes read with the project's role."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for one in values(var.readers) : can(regex("^(serviceAccount|group|user|principal|principalSet):", one))])
    error_message = "readers must be members of IAM, such as principal://iam.googleapis.com/...; never allUsers."
  }
}

variable "deletion_protection" {
  description = "Whether terraform refuses to delete the registry."
  type        = bool
  default     = true
}
