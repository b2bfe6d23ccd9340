"""Point defects: single atoms and sites that differ from their counterparts, with their error rates.

====================  ======================================================================
compare_atoms         every atom tested against the atoms with the same surroundings: OutlierTests
Outliers              the atoms that differ at a false discovery rate
Defects               vacancies, atoms of another motif than is usual, and outliers in one table, each place once
Densities             number of defects of each kind per area and per site: Density
compare_with_chance   whether defects are clustered: Clustering
find_counterparts     atoms with the same surroundings, whatever stands at their centre
predict_places        place of each atom as its neighbours predict it: PredictedPlaces
fit_intensities       integrated intensities of all columns from one linear fit
find_odd_cells        small groups of cells of unusual size, enclosed by usual ones
fit_null              null distribution with heavy tails, estimated from the atoms themselves
null_p_values         p-values under it
ratio_p_values        p-values of intensities by the odds of a defect, as frequent as the image shows
combine_p_values      one p-value for several dependent tests
====================  ======================================================================
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
