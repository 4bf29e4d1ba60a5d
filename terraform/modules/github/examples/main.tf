module "github" {
  source            = "../"
  project           = "example-project"
  name              = "canario-staging"
  github_repository = "example/canario"
  environments      = { training = "training", deploy = "staging", plan = "staging-plan", apply = "staging-apply" }
  artifacts         = "example-project-canario-staging-artifacts"
  registry          = { repositories = ["canario-staging", "canario-staging-signatures"], location = "us-central1" }
  state             = "example-project-state"
  state_prefix      = "canario/staging"
  password_secret   = "canario-staging-database"
  signing_key       = "projects/example-project/locations/us-central1/keyRings/canario-staging/cryptoKeys/images"
}
