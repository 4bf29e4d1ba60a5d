module "network" {
  source  = "../"
  project = "example-project"
  region  = "europe-west4"
  name    = "canario-staging"
  ranges  = { pods = "10.64.0.0/16" }
}
