# Draws samples by the reference packages of R, for benchmarks/sampling_in_r.py, which calls it:
# Rscript sampling_in_r.R FOLDER
#
# Reads FOLDER/frame.csv (x, y, numbers c1, c2, ..., a class k, cost, chance, z), existing.csv (rows of the frame),
# strata.csv (rows of a stratified sample) and settings.csv. Writes one table a design (sample, row or x, y) and seconds.csv.
# Needs the packages clhs, spcosa, sp, spsurvey, sf and BalancedSampling.

suppressMessages({
  library(clhs)
  library(spcosa)
  library(spsurvey)
  library(BalancedSampling)
})
folder <- commandArgs(trailingOnly = TRUE)[1]
path <- function(name) file.path(folder, paste0(name, ".csv"))
frame <- read.csv(path("frame"))
existing <- read.csv(path("existing"))$row
given <- read.csv(path("settings"))
settings <- setNames(as.list(given$value), given$name)
seconds <- data.frame()

many <- function(name, count, draw) {
  begun <- Sys.time()
  found <- lapply(seq_len(count), function(seed) {
    set.seed(seed)
    cbind(sample = seed, as.data.frame(draw(seed)))
  })
  took <- as.numeric(difftime(Sys.time(), begun, units = "secs")) / count
  seconds <<- rbind(seconds, data.frame(design = name, seconds = took))
  write.csv(do.call(rbind, found), path(name), row.names = FALSE)
}

# Latin hypercubes: plain, with existing points, with costs.
numbers <- frame[, grep("^c[0-9]+$", names(frame)), drop = FALSE]
covariates <- cbind(numbers, k = factor(frame$k))
hypercube <- function(...) {
  list(row = clhs(covariates, iter = settings$steps, progress = FALSE, simple = TRUE, ...))
}
many("clhs_plain", settings$cubes, function(seed) hypercube(size = settings$points))
many("clhs_existing", settings$cubes, function(seed) {
  # The package then counts in rows of the frame without the existing points.
  found <- hypercube(size = settings$points + length(existing), must.include = existing)$row
  list(row = seq_len(nrow(frame))[-existing][found[seq_len(settings$points)]])
})
many("clhs_cost", settings$cubes, function(seed) {
  with_cost <- cbind(covariates, cost = frame$cost)
  list(row = clhs(with_cost, size = settings$points, cost = "cost", iter = settings$steps, progress = FALSE))
})

# Coverage of space, without and with existing points, and strata for a random sample.
cells <- frame[, c("x", "y")]
sp::gridded(cells) <- ~ x + y
at <- function(pattern) {
  found <- as(pattern, "data.frame")
  data.frame(x = found[[1]], y = found[[2]])
}
many("spcosa_plain", settings$coverages, function(seed) {
  at(spsample(stratify(cells, nStrata = settings$points, nTry = settings$tries)))
})
many("spcosa_existing", settings$coverages, function(seed) {
  prior <- sp::SpatialPoints(as.matrix(frame[existing, c("x", "y")]))
  count <- settings$points + length(existing)
  at(spsample(stratify(cells, priorPoints = prior, nStrata = count, nTry = settings$tries)))
})
set.seed(1)
strata <- stratify(cells, nStrata = settings$strata, nTry = settings$tries)
drawn <- spsample(strata, n = settings$each)
where <- at(drawn)
rows <- sapply(seq_len(nrow(where)), function(i) which.min((frame$x - where$x[i])^2 + (frame$y - where$y[i])^2))
of_frame <- as(strata, "data.frame")
key <- function(table) paste(round(table$x, 3), round(table$y, 3))
stratum <- of_frame[[1]][match(key(frame), key(of_frame))]
data <- data.frame(z = frame$z[rows])
write.csv(data.frame(row = seq_len(nrow(frame)), stratum = stratum), path("spcosa_strata"), row.names = FALSE)
write.csv(data.frame(row = rows), path("spcosa_sample"), row.names = FALSE)
write.csv(data.frame(
  mean = estimate("spatial mean", strata, drawn, data),
  variance = estimate("sampling variance", strata, drawn, data)
), path("spcosa_estimate"), row.names = FALSE)

# Random samples that spread: the local pivotal method, and GRTS.
places <- as.matrix(frame[, c("x", "y")])
many("lpm2", settings$draws, function(seed) list(row = lpm2(frame$chance, places)))
many("local_variance", settings$grts, function(seed) {
  rows <- lpm2(frame$chance, places)
  sites <- cbind(frame[rows, c("x", "y", "z")], weight = 1 / frame$chance[rows])
  found <- cont_analysis(sites,
    vars = "z", weight = "weight", xcoord = "x", ycoord = "y", statistics = "Mean", vartype = "Local"
  )$Mean
  list(mean = found$Estimate, error = found$StdError, low = found$LCB95Pct, high = found$UCB95Pct)
})
many("srswor", settings$draws, function(seed) list(row = sample(nrow(frame), settings$points)))
points <- sf::st_as_sf(cbind(row = seq_len(nrow(frame)), frame), coords = c("x", "y"), crs = 32631)
many("grts", settings$grts, function(seed) {
  found <- grts(points, n_base = settings$points, seltype = "proportional", aux_var = "chance")
  list(row = found$sites_base$row)
})
write.csv(seconds, path("seconds"), row.names = FALSE)
