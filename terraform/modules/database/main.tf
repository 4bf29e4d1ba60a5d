# MLflow's database: only a private address, only encrypted connections, backups, and recovery to any moment of a week.
# Cloud SQL keeps the name of a deleted instance for a week, so that each new one has a name of its own.
resource "terraform_data" "suffix" {
  input = substr(uuid(), 0, 4)

  lifecycle {
    # The first value stays as long as the instance.
    ignore_changes = [input]
  }
}

resource "google_sql_database_instance" "this" {
  # checkov:skip=CKV_GCP_79:a new major version is a decision with a test, not a default that moves
  # checkov:skip=CKV_GCP_6:connections are encrypted; a client certificate would be one more key to keep
  # checkov:skip=CKV2_GCP_13:the duration of statements does not concern an audit
  # checkov:skip=CKV_GCP_108:addresses of pods have no host names
  # checkov:skip=CKV_GCP_55:PostgreSQL logs warnings and errors by itself
  # checkov:skip=CKV_GCP_109:PostgreSQL logs errors' statements by itself
  # checkov:skip=CKV_GCP_110:pgaudit would log MLflow's every statement and is of no use to one user
  # checkov:skip=CKV_GCP_111:statements hold the data that people log with their runs, which stays in the database
  project             = var.project
  name                = "${var.name}-${terraform_data.suffix.output}"
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
      start_time                     = "02:00"
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = 7
      backup_retention_settings {
        retained_backups = var.instance.backups
      }
    }
    maintenance_window {
      day          = 7
      hour         = 3
      update_track = "stable"
    }
    database_flags {
      name  = "log_checkpoints"
      value = "on"
    }
    database_flags {
      name  = "log_connections"
      value = "on"
    }
    database_flags {
      name  = "log_disconnections"
      value = "on"
    }
    database_flags {
      name  = "log_lock_waits"
      value = "on"
    }
  }
}

# PostgreSQL does not drop a user who owns something; user and database go with the instance.
resource "google_sql_database" "mlflow" {
  project         = var.project
  name            = "mlflow"
  instance        = google_sql_database_instance.this.name
  deletion_policy = "ABANDON"
}

resource "google_sql_user" "mlflow" {
  project  = var.project
  name     = "mlflow"
  instance = google_sql_database_instance.this.name
  # Neither a plan nor the state holds it; the provider writes it when the version changes.
  password_wo         = var.password
  password_wo_version = var.password_version
  deletion_policy     = "ABANDON"
}
