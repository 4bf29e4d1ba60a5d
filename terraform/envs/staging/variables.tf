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
  description = "Access to the control plane: the DNS name for accounts that IAM allows, and named ranges of addresses."
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
