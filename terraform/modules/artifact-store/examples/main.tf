module "artifacts" {
  source        = "../"
  project       = "example-project"
  region        = "us-central1"
  name          = "canario-artifacts"
  keep_old_days = 30
  kms_key       = "projects/example-project/locations/us-central1/keyRings/canario/cryptoKeys/artifacts"
}
