"""Graph measures and null models: pure functions of weight matrices, batched over networks."""

from spatialnets.graph.clustering import clustering
from spatialnets.graph.communicability import communicability
from spatialnets.graph.degree import assortativity, degrees, strengths
from spatialnets.graph.entropy import entropy, shannon_entropy
from spatialnets.graph.fingerprint import fingerprint
from spatialnets.graph.generative import energy, rule_statistics, search, target_network
from spatialnets.graph.growth import RULES, grow
from spatialnets.graph.matching import matching_index
from spatialnets.graph.modularity import modularity, modularity_of
from spatialnets.graph.nulls import map_correlation, moran_surrogates, shuffle_within_distances, spin_permutations
from spatialnets.graph.paths import betweenness, characteristic_path_length, efficiency, path_lengths
from spatialnets.graph.propensity import SmallWorldPropensity, small_world_propensity
from spatialnets.graph.rewiring import rewire
from spatialnets.graph.rich_club import rich_club
from spatialnets.graph.small_worldness import small_worldness
from spatialnets.graph.spectrum import eigenvalues, spectral_abscissa, spectral_entropy, spectral_radius
from spatialnets.graph.threshold import threshold_proportional

__all__ = [
    "RULES",
    "SmallWorldPropensity",
    "assortativity",
    "betweenness",
    "characteristic_path_length",
    "clustering",
    "communicability",
    "degrees",
    "efficiency",
    "eigenvalues",
    "energy",
    "entropy",
    "fingerprint",
    "grow",
    "map_correlation",
    "matching_index",
    "modularity",
    "modularity_of",
    "moran_surrogates",
    "path_lengths",
    "rewire",
    "rich_club",
    "rule_statistics",
    "search",
    "shannon_entropy",
    "shuffle_within_distances",
    "small_world_propensity",
    "small_worldness",
    "spectral_abscissa",
    "spectral_entropy",
    "spectral_radius",
    "spin_permutations",
    "strengths",
    "target_network",
    "threshold_proportional",
]
