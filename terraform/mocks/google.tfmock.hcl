# What Google would answer, where a plan has to have it in the form that the provider takes.
mock_resource "google_service_account" {
  defaults = {
    email  = "account@example-project.iam.gserviceaccount.com"
    member = "serviceAccount:account@example-project.iam.gserviceaccount.com"
    name   = "projects/example-project/serviceAccounts/account@example-project.iam.gserviceaccount.com"
  }
}

mock_resource "google_sql_database_instance" {
  defaults = {
    private_ip_address = "10.0.0.5"
  }
}

mock_data "google_storage_project_service_account" {
  defaults = {
    member = "serviceAccount:service-1@gs-project-accounts.iam.gserviceaccount.com"
  }
}

mock_resource "google_kms_key_ring" {
  defaults = {
    id = "projects/example-project/locations/us-central1/keyRings/canario-staging"
  }
}

mock_resource "google_kms_crypto_key" {
  defaults = {
    id = "projects/example-project/locations/us-central1/keyRings/canario-staging/cryptoKeys/images"
  }
}

mock_resource "google_kms_crypto_key_version" {
  defaults = {
    name = "projects/example-project/locations/us-central1/keyRings/canario-staging/cryptoKeys/images/cryptoKeyVersions/1"
  }
}

mock_data "google_kms_crypto_key_version" {
  defaults = {
    public_key = [{ algorithm = "EC_SIGN_P256_SHA256", pem = "-----BEGIN PUBLIC KEY-----" }]
  }
}

mock_resource "google_iam_workload_identity_pool" {
  defaults = {
    name = "projects/1/locations/global/workloadIdentityPools/pool"
  }
}

mock_resource "google_iam_workload_identity_pool_provider" {
  defaults = {
    name = "projects/1/locations/global/workloadIdentityPools/pool/providers/github"
  }
}

mock_data "google_project" {
  defaults = {
    number = "1"
  }
}
