variable "project" {
  description = "Google Cloud project."
  type        = string
}

variable "database_password" {
  description = "Password of MLflow's database."
  type        = string
  sensitive   = true
}

variable "control_plane" {
  description = "Who reaches the control plane: by its DNS name whoever IAM lets in, and ranges of addresses, by a name."
  type = object({
    callers = optional(map(string), {})
    by_name = optional(bool, true)
  })
  default = {}
}

variable "deletion_protection" {
  description = "False only in the apply before a destroy."
  type        = bool
  default     = true
}
