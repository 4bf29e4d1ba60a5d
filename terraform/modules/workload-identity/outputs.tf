output "email" {
  description = "The account, as the annotation iam.gke.io/gcp-service-account wants it."
  value       = google_service_account.this.email
}
