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

variable "github_repository" {
  description = "The repository on GitHub (owner/name) whose workflows get accounts in this project; null for none."
  type        = string
  default     = null
}

variable "state" {
  description = "Name of the bucket of Terraform's state, to which the workflows' accounts get access."
  type        = string
  default     = null
  validation {
    condition     = var.github_repository == null || var.state != null
    error_message = "state must name the bucket of Terraform's state (make's STATE) where workflows get accounts."
  }
}

variable "control_plane" {
  description = "Access to the control plane: the DNS name for accounts that IAM allows, and named ranges of addresses."
  type = object({
    callers = optional(map(string), {})
    by_name = optional(bool, true)
  })
  default = {}
}

variable "signing" {
  description = "Versions of the key that signs, the one that signs first, and who may sign with it."
  type = object({
    versions = optional(list(string), ["first"])
    signers  = optional(set(string), [])
  })
  default = {}
}

variable "deletion_protection" {
  description = "False only in the apply before a destroy."
  type        = bool
  default     = true
}
