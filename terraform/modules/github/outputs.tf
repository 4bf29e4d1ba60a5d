output "variables" {
  description = "The variables of each environment on GitHub that the workflows read."
  value = { for purpose, environment in var.environments : environment => {
    WORKLOAD_IDENTITY_PROVIDER          = google_iam_workload_identity_pool_provider.this.name
    "${upper(purpose)}_SERVICE_ACCOUNT" = google_service_account.this[purpose].email
  } }
}
