# The environment staging: sizes.json holds its differences; its state is in a bucket, which also locks it.
# terraform init -backend-config="bucket=..."
terraform {
  required_version = ">= 1.11"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 7.45"
    }
  }
  backend "gcs" {
    prefix = "canario/staging"
  }
}

provider "google" {
  default_labels = { application = "canario", environment = "staging" }
}

locals {
  sizes = jsondecode(file("${path.module}/sizes.json"))
}

module "platform" {
  source                    = "../../modules/platform"
  environment               = "staging"
  project                   = var.project
  region                    = local.sizes.region
  pools                     = local.sizes.pools
  database                  = local.sizes.database
  signing                   = var.signing
  control_plane             = var.control_plane
  database_password         = var.database_password
  database_password_version = var.database_password_version
  deletion_protection       = var.deletion_protection
  # Accounts for the workflows, if a repository on GitHub is named.
  workflows = var.github_repository == null ? null : {
    repository = var.github_repository
    purposes   = local.sizes.workflows
    state      = var.state
  }
}
