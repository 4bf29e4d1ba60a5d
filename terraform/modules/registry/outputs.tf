output "repositories" {
  description = "Names of the repositories: of images and of their signatures."
  value       = [google_artifact_registry_repository.this.repository_id, google_artifact_registry_repository.signatures.repository_id]
}

output "repository" {
  description = "Prefix of all image names."
  value       = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.this.repository_id}"
}

output "signatures" {
  description = "Name of the repository of the images' signatures."
  value       = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.signatures.repository_id}/images"
}

output "readers" {
  description = "Who may read images and signatures apart from the nodes, as IAM names them."
  value       = distinct([for one in google_artifact_registry_repository_iam_member.readers : one.member])
}
