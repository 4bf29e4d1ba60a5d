module "registry" {
  source   = "../"
  project  = "example-project"
  region   = "us-central1"
  name     = "canario-staging"
  clean_up = { untagged_days = 14, keep = 50 }
}
