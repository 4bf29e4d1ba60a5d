variable "project" {
  description = "Google Cloud project of all resources."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project must be a project id: 6 to 30 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "name" {
  description = "Id of the cloud's account."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.name))
    error_message = "name must have 6 to 30 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "workload_pool" {
  description = "The cluster's workload identity pool, PROJECT.svc.id.goog; taken from the cluster, because it does not exist before."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9][.]svc[.]id[.]goog$", var.workload_pool))
    error_message = "workload_pool must look like example-project.svc.id.goog."
  }
}

variable "workload" {
  description = "The cluster's service account."
  type        = object({ namespace = string, service_account = string })
  validation {
    condition     = alltrue([for part in values(var.workload) : can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", part))])
    error_message = "workload.namespace and workload.service_account must be names that Kubernetes allows."
  }
}

variable "buckets" {
  description = "Role on each bucket, by the bucket's name."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for role in values(var.buckets) : contains(["roles/storage.objectViewer", "roles/storage.objectUser"], role)])
    error_message = "a role of buckets must be roles/storage.objectViewer or roles/storage.objectUser."
  }
}
