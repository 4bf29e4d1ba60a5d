# What the charts and k8s/envs need of a cloud, in their own words. Nothing is made here, and no cloud is named:
# a composition for another cloud hands the same over. Without a provider its tests run anywhere.
terraform {
  required_version = ">= 1.9"
}

variable "repository" {
  description = "What images' names begin with, such as registry.local/canario."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9.:-]+(/[a-z0-9._-]+)+$", var.repository))
    error_message = "repository must look like registry.local/canario, without a scheme or a slash at its end."
  }
}

variable "artifacts" {
  description = "Where MLflow keeps artifacts, as an address: gs://bucket/folder, s3://..., wasbs://..."
  type        = string
  validation {
    condition     = can(regex("^(gs|s3|wasbs)://.+[^/]$", var.artifacts))
    error_message = "artifacts must be a gs://, s3:// or wasbs:// address, without a slash at its end."
  }
}

variable "database" {
  description = "MLflow's PostgreSQL."
  type        = object({ address = string, password = string })
  sensitive   = true
  validation {
    condition     = can(regex("^[A-Za-z0-9.-]+$", var.database.address))
    error_message = "database.address must be a host name or an IPv4 address, without a port."
  }
}

variable "pools" {
  description = "Names of the node pools."
  type        = set(string)
  validation {
    condition     = length(var.pools) >= 1
    error_message = "pools must name one pool at least: nothing runs without a node."
  }
}

output "canario" {
  description = "Values of the chart canario."
  value = {
    judge = { image = { repository = "${var.repository}/judge" } }
    mlflow = {
      enabled = true
      image   = { repository = "${var.repository}/mlflow" }
    }
  }
}

output "mlflow_secret" {
  description = "What the secret that mlflow.secret of the chart canario names must hold."
  sensitive   = true
  value = {
    MLFLOW_BACKEND_STORE_URI     = "postgresql://mlflow:${var.database.password}@${var.database.address}:5432/mlflow?sslmode=require"
    MLFLOW_ARTIFACTS_DESTINATION = var.artifacts
  }
}

output "pools" {
  description = "What `pool` of the chart model-service may be."
  value       = sort(var.pools)
}
