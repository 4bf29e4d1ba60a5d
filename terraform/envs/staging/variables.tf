variable "project" {
  description = "Google Cloud project."
  type        = string
}

variable "database_password" {
  description = "Password of MLflow's database, from Secret Manager; neither plan nor state holds it."
  type        = string
  sensitive   = true
  ephemeral   = true
}

variable "database_password_version" {
  description = "The secret's version that the password is from; another one makes Terraform write the password again."
  type        = number
  default     = 1
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
