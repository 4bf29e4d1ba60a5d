module "signing_key" {
  source   = "../"
  project  = "example-project"
  region   = "us-central1"
  name     = "canario-staging"
  versions = ["2027-05", "2026-11"]
  signers  = ["serviceAccount:training@example-project.iam.gserviceaccount.com"]
}
