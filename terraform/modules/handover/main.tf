# What the charts, k8s/envs and the workflows need of a cloud, in their own words. Nothing is made here, and no cloud is
# named: a composition for another cloud hands the same over. Without a provider its tests run anywhere.
terraform {
  required_version = ">= 1.11"
}
