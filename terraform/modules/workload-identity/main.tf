# One account of the cloud for one service account of the cluster, without any key.
resource "google_service_account" "this" {
  project      = var.project
  account_id   = var.name
  display_name = "${var.workload.namespace}/${var.workload.service_account}"
}

resource "google_service_account_iam_member" "this" {
  service_account_id = google_service_account.this.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.workload_pool}[${var.workload.namespace}/${var.workload.service_account}]"
}

resource "google_storage_bucket_iam_member" "this" {
  for_each = var.buckets
  bucket   = each.key
  role     = each.value
  member   = google_service_account.this.member
}
