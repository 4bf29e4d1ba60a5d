output "annotations" {
  description = "What the cluster's service account is annotated with, to be this one."
  value       = { "iam.gke.io/gcp-service-account" = google_service_account.this.email }
}
