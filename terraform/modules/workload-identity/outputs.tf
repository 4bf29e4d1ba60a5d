output "annotations" {
  description = "Annotations that let the cluster's service account act as the cloud's account."
  value       = { "iam.gke.io/gcp-service-account" = google_service_account.this.email }
}
