# The environment staging: sizes.json says how it differs; the state is in a bucket, which locks it.
# terraform init -backend-config="bucket=..."
terraform {
  required_version = ">= 1.9"
  backend "gcs" {
    prefix = "canario/staging"
  }
}

locals {
  sizes = jsondecode(file("${path.module}/sizes.json"))
}

variable "project" {
  description = "Google Cloud project."
  type        = string
}

variable "control_plane_callers" {
  description = "Ranges that may call the control plane, by name."
  type        = map(string)
  default     = {}
}

variable "database_password" {
  description = "Password of MLflow's database."
  type        = string
  sensitive   = true
}

variable "deletion_protection" {
  description = "False only in the apply before a destroy."
  type        = bool
  default     = true
}

module "platform" {
  source                = "../../modules/platform"
  environment           = "staging"
  project               = var.project
  region                = local.sizes.region
  pools                 = local.sizes.pools
  database              = local.sizes.database
  control_plane_callers = var.control_plane_callers
  database_password     = var.database_password
  deletion_protection   = var.deletion_protection
}

output "canario" {
  description = "Values of the chart canario."
  value       = module.platform.canario
}

output "mlflow_secret" {
  description = "What MLflow's secret must hold."
  value       = module.platform.mlflow_secret
  sensitive   = true
}

output "pools" {
  description = "What `pool` of the chart model-service may be."
  value       = module.platform.pools
}
