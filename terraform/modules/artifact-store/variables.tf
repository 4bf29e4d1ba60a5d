variable "project" {
  description = "Google Cloud project of all resources."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project must be a project id: 6 to 30 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "name" {
  description = "Name of the bucket, after the project's name."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name))
    error_message = "name must have 3 to 32 lower-case letters, digits and hyphens, a letter first."
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

variable "keep_old_days" {
  description = "Days for which an overwritten or deleted object can be restored."
  type        = number
  default     = 90
  validation {
    condition     = var.keep_old_days >= 7
    error_message = "keep_old_days must be 7 or more."
  }
}

variable "kms_key" {
  description = "Id of a Cloud KMS key of the same region, or null for Google's."
  type        = string
  default     = null
  validation {
    condition     = var.kms_key == null || can(regex("^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$", var.kms_key))
    error_message = "kms_key must look like projects/P/locations/L/keyRings/R/cryptoKeys/K."
  }
}

variable "deletion_protection" {
  description = "Whether terraform refuses to delete the bucket; a bucket that is not empty is never deleted."
  type        = bool
  default     = true
}
