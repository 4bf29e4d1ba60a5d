module "cpu" {
  source          = "../"
  project         = "example-project"
  region          = "us-central1"
  name            = "cpu"
  cluster         = "canario-staging"
  service_account = "nodes@example-project.iam.gserviceaccount.com"
  nodes           = { machine_type = "e2-standard-4", min = 2, max = 4, spot = true }
}

module "gpu" {
  source          = "../"
  project         = "example-project"
  region          = "us-central1"
  name            = "gpu"
  cluster         = "canario-staging"
  service_account = "nodes@example-project.iam.gserviceaccount.com"
  nodes           = { machine_type = "g2-standard-4", disk_gb = 100, zones = ["us-central1-a", "us-central1-b"] }
  gpu             = { type = "nvidia-l4", shared_by = 4 }
}

# A slice of 16 chips, on four machines that come and go together.
module "tpu" {
  source          = "../"
  project         = "example-project"
  region          = "us-central1"
  name            = "tpu"
  cluster         = "canario-staging"
  service_account = "nodes@example-project.iam.gserviceaccount.com"
  nodes           = { machine_type = "ct5lp-hightpu-4t", max = 4, zones = ["us-central1-a"] }
  tpu             = { topology = "4x4" }
}
