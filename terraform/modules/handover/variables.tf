variable "cluster" {
  description = "The cluster, its location, and the cloud's project, account or subscription, as the cloud's own tool names them."
  type        = object({ name = string, location = string, account = string })
}

variable "repository" {
  description = "Prefix of all image names, such as registry.local/canario."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9.:-]+(/[a-z0-9._-]+)+$", var.repository))
    error_message = "repository must look like registry.local/canario, without a scheme or a slash at its end."
  }
}

variable "signatures" {
  description = "Name of the repository of the images' signatures, such as registry.local/canario-signatures/images."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9.:-]+(/[a-z0-9._-]+)+$", var.signatures))
    error_message = "signatures must look like registry.local/canario-signatures/images, without a scheme or a tag."
  }
}

variable "signers" {
  description = "Keys that sign what runs here, the one that signs first: a name, the address in a KMS as cosign has it, the public key in PEM."
  type        = list(object({ name = string, kms = string, key = string }))
  validation {
    condition     = length(var.signers) >= 1
    error_message = "signers must name one at least: without one no image comes in."
  }
  validation {
    condition     = alltrue([for one in var.signers : can(regex("^(awskms|azurekms|gcpkms|hashivault)://", one.kms))])
    error_message = "signers' kms must begin with awskms://, azurekms://, gcpkms:// or hashivault://."
  }
}

variable "pools" {
  description = "Names of the node pools."
  type        = set(string)
  validation {
    condition     = length(var.pools) >= 1
    error_message = "pools must name one pool at least: nothing runs without a node."
  }
}

variable "database" {
  description = "MLflow's PostgreSQL, and the name of the secret in the cloud that holds its password; the password itself stays there."
  type        = object({ address = string, secret = string })
  validation {
    condition     = can(regex("^[A-Za-z0-9.-]+$", var.database.address))
    error_message = "database.address must be a host name or an IPv4 address, without a port."
  }
}

variable "workflows" {
  description = "Variables of the environments on GitHub, by the environment."
  type        = map(map(string))
  default     = {}
}

variable "mlflow" {
  description = "MLflow's artifact store (gs://bucket/folder, s3://..., wasbs://...), and the annotations that give its service account access."
  type = object({
    artifacts   = string
    annotations = optional(map(string), {})
  })
  validation {
    condition     = can(regex("^(gs|s3|wasbs)://.+[^/]$", var.mlflow.artifacts))
    error_message = "mlflow.artifacts must be a gs://, s3:// or wasbs:// address, without a slash at its end."
  }
}
