"""Where particles go next: dynamics over the particles of a frozen encoder."""
