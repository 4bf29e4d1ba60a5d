module "cluster" {
  source     = "../"
  project    = "example-project"
  region     = "us-central1"
  name       = "canario-staging"
  network    = "projects/example-project/global/networks/canario-staging"
  subnetwork = "projects/example-project/regions/us-central1/subnetworks/canario-staging-nodes"

  control_plane = {
    by_name = true
    callers = { office = "192.0.2.0/24" }
  }
  labels      = { environment = "staging" }
  maintenance = { days = ["SA"], start = "06:00", hours = 12 }
}
