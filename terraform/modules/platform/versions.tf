terraform {
  required_version = ">= 1.11"
  required_providers {
    # Only the modules in it use the provider, but its tests can mock only what it names.
    # tflint-ignore: terraform_unused_required_providers
    google = {
      source  = "hashicorp/google"
      version = "~> 7.45"
    }
  }
}
