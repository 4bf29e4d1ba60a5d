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

variable "versions" {
  description = "Names of the key's versions, the one that signs first; all are believed. To exchange the key, add a name in front, and remove the old one when nothing that it signed has to come in any more."
  type        = list(string)
  default     = ["first"]
  validation {
    condition     = length(var.versions) >= 1
    error_message = "versions must name one version at least: without one nobody signs."
  }
  validation {
    condition     = length(distinct(var.versions)) == length(var.versions)
    error_message = "versions must name each version once."
  }
  validation {
    condition     = alltrue([for name in var.versions : can(regex("^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$", name))])
    error_message = "versions must be lower-case letters, digits and hyphens, such as 2027-05."
  }
}

variable "protection_level" {
  description = "SOFTWARE, or HSM for a key in a hardware security module."
  type        = string
  default     = "SOFTWARE"
  validation {
    condition     = contains(["SOFTWARE", "HSM"], var.protection_level)
    error_message = "protection_level must be SOFTWARE or HSM."
  }
}

variable "signers" {
  description = "Who may sign, as IAM names them: the service account of the workflow that trains, or a group of people who release."
  type        = set(string)
  default     = []
  validation {
    condition     = alltrue([for one in var.signers : can(regex("^(serviceAccount|group|user|principal|principalSet):", one))])
    error_message = "signers must be members of IAM, such as serviceAccount:name@project.iam.gserviceaccount.com; never allUsers."
  }
}
