variable "project" {
  description = "Google Cloud project of all resources."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project must be a project id: 6 to 30 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "name" {
  description = "Prefix of all names; an account's name has at most 30 letters."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}[a-z0-9]$", var.name))
    error_message = "name must have 3 to 21 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "github_repository" {
  description = "The repository whose workflows may be these accounts, as owner/name."
  type        = string
  validation {
    condition     = can(regex("^[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,40}$", var.github_repository))
    error_message = "github_repository must look like owner/name, with 40 letters or fewer after the slash: Google takes subjects of 127."
  }
}

variable "environments" {
  description = "The environment on GitHub that may be an account, by the account's purpose: training, release, deploy, plan, apply."
  type        = map(string)
  validation {
    condition     = alltrue([for purpose in keys(var.environments) : contains(["training", "release", "deploy", "plan", "apply"], purpose)])
    error_message = "environments must be some of training, release, deploy, plan and apply."
  }
}

variable "artifacts" {
  description = "Name of the bucket of packages and data."
  type        = string
}

variable "registry" {
  description = "Location of the registry, and its repositories: of images and of their signatures."
  type        = object({ repositories = set(string), location = string })
}

variable "state" {
  description = "Name of the bucket of Terraform's state."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$", var.state))
    error_message = "state must be the name of a bucket, without gs://."
  }
}

variable "state_prefix" {
  description = "Folder of the environment's state in that bucket, such as canario/staging."
  type        = string
}

variable "password_secret" {
  description = "Name of the secret with the database's password."
  type        = string
}

variable "signing_key" {
  description = "Id of the key with which trainings and releases sign."
  type        = string
}
