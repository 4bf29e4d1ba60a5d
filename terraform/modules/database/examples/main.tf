variable "password" {
  type      = string
  sensitive = true
  ephemeral = true
}

module "database" {
  source   = "../"
  project  = "example-project"
  region   = "us-central1"
  name     = "canario-production"
  network  = "projects/example-project/global/networks/canario-production"
  password = var.password
  instance = { tier = "db-custom-2-7680", disk_gb = 50, highly_available = true }
}
