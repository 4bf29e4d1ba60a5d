# MLflow's database: a private address only, backups, and recovery to any moment.
resource "google_sql_database_instance" "this" {
  project             = var.project
  name                = var.name
  region              = var.region
  database_version    = "POSTGRES_16"
  deletion_protection = var.deletion_protection

  settings {
    tier                        = var.instance.tier
    edition                     = "ENTERPRISE"
    availability_type           = var.instance.highly_available ? "REGIONAL" : "ZONAL"
    disk_type                   = "PD_SSD"
    disk_size                   = var.instance.disk_gb
    disk_autoresize             = true
    deletion_protection_enabled = var.deletion_protection

    ip_configuration {
      ipv4_enabled    = false
      private_network = var.network
      ssl_mode        = "ENCRYPTED_ONLY"
    }
    backup_configuration {
      enabled                        = true
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = 7
      backup_retention_settings {
        retained_backups = var.instance.backups
      }
    }
  }
}

resource "google_sql_database" "mlflow" {
  project  = var.project
  name     = "mlflow"
  instance = google_sql_database_instance.this.name
}

resource "google_sql_user" "mlflow" {
  project  = var.project
  name     = "mlflow"
  instance = google_sql_database_instance.this.name
  password = var.password
}
