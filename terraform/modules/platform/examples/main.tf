variable "password" {
  type      = string
  sensitive = true
  ephemeral = true
}

module "platform" {
  source            = "../"
  environment       = "staging"
  project           = "example-project"
  region            = "us-central1"
  control_plane     = { by_name = true }
  database          = { tier = "db-custom-1-3840", disk_gb = 20, highly_available = false }
  database_password = var.password
  pools = {
    cpu = { nodes = { machine_type = "e2-standard-4", min = 2, max = 4, disk_gb = 50, spot = false } }
    tpu = {
      nodes = { machine_type = "ct5lp-hightpu-4t", min = 0, max = 1, disk_gb = 100, spot = true, zones = ["us-central1-a"] }
      tpu   = { topology = "2x2" }
    }
  }
}
