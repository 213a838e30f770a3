"""Pure statistics: curves, their inverse, D_E and D_T with intervals."""
